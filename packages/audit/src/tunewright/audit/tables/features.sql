-- One row an example, one column a structural feature. Which of them a model can see before it answers, and what each
-- is called in plain words, stands in features.py.
CREATE TABLE feature_columns AS
WITH sets AS (
    SELECT toolset, count(*) AS offered, md5(string_agg(kind, ' ' ORDER BY kind))[:8] AS names,
        md5(string_agg(kind, ' ' ORDER BY position))[:8] AS in_order
    FROM offered GROUP BY toolset
), lengths AS (
    -- Buckets double: 0, 1, 2-3, 4-7, … characters. What tools a system message lists is a feature of its own, and
    -- messages that differ in a number only are one.
    SELECT example, regexp_replace(coalesce(b.text, regexp_replace(e.system, '<tools>.*?</tools>', '', 's')), '\d+', '0', 'g') AS bare,
        length(bare) AS system, length(coalesce(last_request, '')) AS request
    FROM examples e LEFT JOIN bare_prompts b USING (toolset)
), requests AS (
    SELECT example, coalesce(last_request, '')[:1000] AS asked, strlen(asked) <> length(asked) AS foreign_letters,
        -- The first 200 characters have a word that tells, if any have. English is looked for first: most requests end there.
        asked[:200] AS opening,
        regexp_matches(opening, '(?i)\b(?:the|is|of|to|and|for|what|please|my|with|you|can|how|who|i)\b') AS english,
        CASE WHEN english THEN '' ELSE regexp_extract(lower(opening), '\b(der|das|und|ich|bitte|nicht|eine|mir|ist|zeige|le|les|des|'
            || 'une|est|pour|dans|moi|vous|je|quel|quelle|el|los|las|por|del|quiero|il|che|gli|della|sono|uma|het|een|van|voor|'
            || 'ik|niet)\b', 1) END AS word
    FROM examples
)
SELECT e.example,
    CASE WHEN e.has_system THEN 'yes' ELSE 'no' END AS has_system,
    CASE WHEN e.has_system THEN md5(l.bare)[:8] ELSE 'none' END AS system_text,
    CASE WHEN l.system IS NULL THEN 'none' WHEN l.system = 0 THEN '0' ELSE '2^' || floor(log2(l.system))::INTEGER END AS system_length,
    CASE WHEN e.choice - 1 - e.has_system::INTEGER > 1 THEN 'yes' ELSE 'no' END AS earlier_turns,
    coalesce(e.roles_before, '') AS roles_before,
    (e.choice - 1)::VARCHAR AS messages_before,
    coalesce(e.last_role_before, 'none') AS last_role_before,
    coalesce(s.offered, 0)::VARCHAR AS tools_offered,
    coalesce(s.names, 'none') AS tool_set,
    coalesce(s.in_order, 'none') AS tool_order,
    concat_ws(' ',
        CASE WHEN regexp_matches(e.last_request, '^\s') THEN 'leading' END,
        CASE WHEN regexp_matches(e.last_request, '\s$') THEN 'trailing' END,
        CASE WHEN contains(e.last_request, chr(13)) THEN 'cr' END) AS request_whitespace,
    concat_ws(' ',
        CASE WHEN regexp_matches(e.system, '^\s') THEN 'leading' END,
        CASE WHEN regexp_matches(e.system, '\s$') THEN 'trailing' END) AS system_whitespace,
    CASE WHEN l.request = 0 THEN '0' ELSE '2^' || floor(log2(l.request))::INTEGER END AS request_length,
    -- Of what is not a name or a value: those have the case that they have.
    CASE WHEN NOT regexp_matches(q.asked, '\p{Ll}') THEN if(regexp_matches(q.asked, '\p{Lu}\PL*\p{Lu}'), 'capitals', 'none')
         WHEN NOT regexp_matches(e.masked, '\p{Lu}') THEN if(regexp_matches(e.masked, '\p{Ll}'), 'small letters', 'none')
         WHEN regexp_matches(e.masked, '^\PL*\p{Lu}') THEN 'capital' ELSE 'small' END AS request_case,
    CASE regexp_extract(right(q.asked, 8), '([.!?…。！？:;,])[\s"''`)”’]*$', 1) WHEN '' THEN 'no mark' WHEN '?' THEN 'question' WHEN '？' THEN 'question'
         WHEN '.' THEN 'full stop' WHEN '。' THEN 'full stop' WHEN '!' THEN 'exclamation mark' WHEN '！' THEN 'exclamation mark'
         ELSE 'other mark' END AS request_end,
    CASE WHEN q.foreign_letters AND regexp_matches(q.asked, '\p{Cyrillic}{2}') THEN 'Cyrillic'
         WHEN q.foreign_letters AND regexp_matches(q.asked, '[\p{Hiragana}\p{Katakana}]') THEN 'Japanese'
         WHEN q.foreign_letters AND regexp_matches(q.asked, '\p{Hangul}') THEN 'Korean'
         WHEN q.foreign_letters AND regexp_matches(q.asked, '\p{Han}') THEN 'Chinese'
         WHEN q.foreign_letters AND regexp_matches(q.asked, '\p{Arabic}') THEN 'Arabic'
         WHEN q.foreign_letters AND regexp_matches(q.asked, '[\p{Greek}\p{Hebrew}\p{Thai}\p{Devanagari}]{2}') THEN 'another script'
         WHEN q.english THEN 'English' WHEN q.word = '' THEN 'unknown'
         WHEN q.word IN ('der', 'das', 'und', 'ich', 'bitte', 'nicht', 'eine', 'mir', 'ist', 'zeige') THEN 'German'
         WHEN q.word IN ('le', 'les', 'des', 'une', 'est', 'pour', 'dans', 'moi', 'vous', 'je', 'quel', 'quelle') THEN 'French'
         WHEN q.word IN ('el', 'los', 'las', 'por', 'del', 'quiero') THEN 'Spanish'
         WHEN q.word IN ('il', 'che', 'gli', 'della', 'sono') THEN 'Italian'
         WHEN q.word = 'uma' THEN 'Portuguese'
         WHEN q.word IN ('het', 'een', 'van', 'voor', 'ik', 'niet') THEN 'Dutch' ELSE 'unknown' END AS request_language,
    CASE WHEN contains(q.asked, '`') THEN 'backticks' WHEN contains(q.asked, '"') OR contains(q.asked, '“') OR contains(q.asked, '«') THEN 'double quotes'
         WHEN contains(q.asked, '''') AND regexp_matches(q.asked, '(?:^|\s)''[^''\n]+''(?:\s|$|[.?!,;:])') THEN 'single quotes' ELSE 'none' END AS request_quotes,
    CASE WHEN contains(q.asked, chr(10)) AND contains(trim(q.asked, E' \n\r\t'), chr(10)) THEN 'yes' ELSE 'no' END AS request_lines,
    CASE WHEN q.foreign_letters AND regexp_matches(q.asked, '[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]') THEN 'yes' ELSE 'no' END AS request_emoji,
    CASE WHEN e.preamble <> '' THEN 'yes' ELSE 'no' END AS has_preamble,
    CASE WHEN e.preamble <> '' THEN md5(e.preamble)[:8] ELSE 'none' END AS preamble_text,
    CASE WHEN e.multi_turn THEN 'yes' ELSE 'no' END AS multi_turn,
    coalesce(e.roles, '') AS roles,
    e.messages::VARCHAR AS messages,
    coalesce(e.syntax, 'none') AS syntax,
    coalesce(e.dialect, 'none') AS dialect,
    CASE WHEN e.reasons THEN 'yes' ELSE 'no' END AS has_reasoning,
    CASE WHEN coalesce(e.call_id, '') = '' THEN 'none' WHEN regexp_matches(e.call_id, '^\d+$') THEN 'digits only'
         ELSE coalesce(nullif(regexp_extract(e.call_id, '^[A-Za-z]+[_-]?(?:[A-Za-z]+[_-])*'), ''), 'no letters first') END AS id_prefix,
    coalesce(e.spacing, 'none') AS argument_spacing,
    array_to_string(e.keys, ' ') AS keys,
    e.source
FROM examples e
JOIN lengths l USING (example)
JOIN requests q USING (example)
LEFT JOIN sets s USING (toolset);
