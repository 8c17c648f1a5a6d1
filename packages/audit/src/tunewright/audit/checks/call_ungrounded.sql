-- id: call.ungrounded
-- severity: warn
-- threshold: min_share = 0.05
-- reason: An argument that occurs nowhere before the call is made up: the model learns to invent paths and numbers.
-- hint: Take arguments from the request or from an earlier result, or say them in the context.
WITH arguments AS (
    SELECT c.example, c.message, c.tool, unnest(json_keys(c.arguments)) AS key, c.arguments::JSON AS written
    FROM calls c WHERE c.error = '' AND c.tool IS NOT NULL
), literals AS (
    SELECT example, message, tool, key,
        json_extract_string(written, '/' || replace(replace(key, '~', '~0'), '/', '~1')) AS value,
        json_type(written, '/' || replace(replace(key, '~', '~0'), '/', '~1')) AS kind
    FROM arguments
), copied AS (
    -- Only what is copied and not composed: names, paths and numbers, no prose, no code, no dates, no small numbers.
    SELECT *, if(contains(value, ' '), list_filter(string_split(lower(value), ' '), lambda word: length(word) > 2),
        -- An amount with its unit or currency is its number.
        [CASE WHEN kind = 'VARCHAR' AND regexp_matches(value, '^[\p{Sc}A-Z]{0,3} ?-?\d[\d.,]* ?(?:\p{Sc}|%|[A-Za-z°]{1,3})?$')
            THEN rtrim(replace(regexp_extract(value, '\d[\d.,]*'), ',', ''), '.')
            ELSE lower(rtrim(value, '/')) END]) AS words FROM literals
    WHERE (kind = 'VARCHAR' AND length(value) BETWEEN 3 AND 200
            AND (NOT regexp_matches(value, '\s') OR regexp_matches(value, '^\p{Lu}[\w''.-]*( \p{Lu}[\w''.-]*){1,3}$'))
            AND NOT regexp_matches(value, '^\d{4}-\d\d-\d\d|^\d{1,2}:\d\d'))
        OR (kind IN ('UBIGINT', 'BIGINT') AND abs(TRY_CAST(value AS BIGINT)) > 10)
), said_before AS (
    -- A name of several words is made up when none of them was said.
    SELECT a.example, a.message, a.tool, a.key, a.value, any_value(a.words) AS words,
        bool_or(len(list_filter(a.words, lambda word: contains(lower(m.content), word)
            -- 1,250,000 and 1 250 000 and 1.25 million are said, too.
            OR (regexp_matches(word, '^-?\d+$') AND (
                contains(regexp_replace(regexp_replace(m.content, '(\d)[,.''  _](\d{3})', '\1\2', 'g'),
                    '(\d)[,.''  _](\d{3})', '\1\2', 'g'), word)
                OR len(list_filter(regexp_extract_all(lower(m.content), '\d[\d.]* ?(?:k|thousand|m|mn|million|bn|b|billion)\b'), lambda t:
                    round(TRY_CAST(regexp_extract(t, '^\d+(?:\.\d+)?') AS DOUBLE) * CASE WHEN regexp_matches(t, 'k|th') THEN 1e3
                        WHEN regexp_matches(t, 'b') THEN 1e9 ELSE 1e6 END) = TRY_CAST(word AS DOUBLE))) > 0)))) > 0) AS said
    FROM copied a LEFT JOIN messages m ON m.example = a.example AND m.position < a.message
    WHERE len(a.words) > 0
    GROUP BY ALL
), judged AS (
    -- The lists of tools are before a model as well, with the values that they allow.
    SELECT s.*, coalesce(said, false) OR EXISTS (
        FROM rows r JOIN offered o ON o.toolset = r.toolset AND o.tool = s.tool
        WHERE r.example = s.example AND len(list_filter(s.words, lambda word: contains(lower(o.written), word))) > 0
    ) AS grounded
    FROM said_before s
), calls_judged AS (
    SELECT example, message, tool, bool_and(coalesce(grounded, false)) AS grounded,
        string_agg(value, ', ' ORDER BY key) FILTER (NOT coalesce(grounded, false)) AS made_up
    FROM judged GROUP BY ALL
), placed AS (
    SELECT c.*, e.split FROM calls_judged c JOIN examples e USING (example)
), shares AS (
    SELECT split, tool, count(*) AS n, count(*) FILTER (NOT grounded) AS bad FROM placed GROUP BY ALL
), graded AS (
    SELECT *, if(bad >= $min_share * n, 'warn', 'info') AS severity FROM shares WHERE bad > 0
), said AS (
    SELECT split, severity, sum(bad)::BIGINT AS bad, sum(n)::BIGINT AS n,
        string_agg(format('{} {} of {}', tool, bad, n), ', ' ORDER BY bad DESC, tool) AS names
    FROM graded GROUP BY ALL
)
SELECT p.example, p.split, said.bad / said.n AS effect, said.n AS support, said.severity,
    format('Calls with an argument that occurs nowhere before them: {}', said.names) AS message,
    format('message {}: {}', p.message, made_up[:120]) AS detail
FROM placed p JOIN graded g USING (split, tool) JOIN said ON said.split = g.split AND said.severity = g.severity
WHERE NOT p.grounded
