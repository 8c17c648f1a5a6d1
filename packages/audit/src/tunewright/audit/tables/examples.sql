-- One row an example: where it came from, its structure, and what its first answer does.
-- The choice is the first call, or else the last answer: what comes before it is all that a model sees when it decides.
-- The last request is what it answers.
-- Made a range of examples at a time.
WITH placed AS (
    SELECT *, nullif(coalesce(list_position(roles, 'assistant'), 0), 0) AS answer,
        len(roles) + 1 - list_position(list_reverse(roles), 'assistant') AS last_answer
    FROM rows WHERE example BETWEEN $first AND $last
), said AS (
    FROM messages WHERE example BETWEEN $first AND $last
), made AS (
    -- Tools by their own names, not by those they go by in a row. Calls are ordered by one number: pairs compare slowly.
    SELECT *, 1000000 * message::BIGINT + position AS place FROM named_calls WHERE example BETWEEN $first AND $last
), first_calls AS (
    SELECT example, min(message) AS call_message FROM made GROUP BY example
), spoken AS (
    -- What was asked: the request that the first call answers, or else the first answer.
    SELECT m.*, answer, last_answer, call_message, m.role = 'user' AND position < coalesce(call_message, answer, 1000000000) AS asks,
        CASE WHEN asks THEN hash(lower(CASE
            -- Most requests need no cleaning, and to find that out costs a tenth of doing it.
            WHEN regexp_matches(m.content, '\s\s|[\t\n\v\f\r]|^ | $') THEN trim(regexp_replace(m.content, '\s+', ' ', 'g'))
            ELSE m.content END)) END AS asked_hash,
        CASE WHEN asks THEN regexp_matches(m.content, '\S+\s+\S+\s+\S') END AS says_enough
    FROM said m JOIN placed USING (example) LEFT JOIN first_calls USING (example)
), shape AS (
    SELECT example,
        arg_min(content, position) FILTER (role = 'system') AS system,
        arg_min(content, position) FILTER (role = 'user') AS request,
        arg_max(content, position) FILTER (role = 'user' AND position < coalesce(call_message, last_answer, 1000000000)) AS last_request,
        bool_or(reasons OR starts_with(content, '<think>')) FILTER (position = coalesce(call_message, last_answer)) AS reasons,
        arg_min(content, position) FILTER (role = 'assistant') AS first_answer,
        any_value(content) FILTER (position = call_message) AS beside_call,
        -- A word or two ("and there?") say nothing alone; then everything the user said up to there counts.
        CASE WHEN arg_max(says_enough, position) THEN arg_max(asked_hash, position) ELSE bit_xor(asked_hash) END AS request_hash,
        bit_xor(hash(position, role, content)) AS text_hash,
        bit_xor(hash(position, role, content)) FILTER (answer IS NULL OR position < answer) AS prompt_hash
    FROM spoken GROUP BY example
), called AS (
    SELECT c.example,
        count(*)::INTEGER AS calls,
        arg_min(c.tool, place) AS tool,
        arg_min(c.syntax, place) AS syntax,
        arg_min(c.tool_call_id, place) AS call_id,
        -- How a call's arguments are spaced, where the row has them as text.
        arg_min(CASE WHEN c.written <> 'text' THEN 'none' WHEN regexp_matches(c.arguments, '":\s') THEN 'blanks'
            WHEN contains(c.arguments, '":') THEN 'no blanks' ELSE 'none' END, place) AS spacing,
        count(*) FILTER (c.message = a.answer)::INTEGER AS answer_calls,
        arg_min(coalesce(c.tool, '(unreadable)'), c.position) FILTER (c.message = a.answer) AS answer_tool,
        min(c.message) AS call_message,
        count(*) FILTER (c.message = f.call_message)::INTEGER AS choice_calls,
        bit_xor(hash(c.message, c.position, c.tool, c.arguments)) AS call_hash,
        -- JSON escapes what is not ASCII; written anew it is as it was said.
        flatten(list(regexp_extract_all(
            CASE WHEN contains(c.arguments, '\u') THEN json(c.arguments)::VARCHAR ELSE c.arguments END,
            '[:\[]\s*"((?:[^"\\]|\\.){2,200})"', 1))) AS given
    FROM made c JOIN placed a USING (example) JOIN first_calls f USING (example)
    GROUP BY c.example
), joined AS (
    SELECT r.example, r.file, f.path, f.split, r.line, r.shape, r.source, r.family, r.template, r.cluster AS given_cluster, r.keys, r.toolset,
        len(r.roles)::INTEGER AS messages, array_to_string(r.roles, ' ') AS roles,
        -- Where the tool is chosen: at the first call, or else at the last answer. Small talk may come before.
        coalesce(c.call_message, r.last_answer) AS choice,
        array_to_string(r.roles[:coalesce(choice, len(r.roles) + 1) - 1], ' ') AS roles_before,
        r.roles[coalesce(choice, len(r.roles) + 1) - 1] AS last_role_before,
        list_contains(r.roles, 'system') AS has_system, s.system, s.request, s.last_request,
        s.first_answer, r.answer, coalesce(s.reasons, false) AS reasons,
        len(list_filter(r.roles, lambda role: role = 'assistant')) > 1 AS multi_turn,
        coalesce(c.calls, 0) AS calls,
        c.tool, c.syntax, c.call_id, c.spacing,
        coalesce(c.answer_calls, 0) AS answer_calls,
        coalesce(c.choice_calls, 0) AS choice_calls,
        -- The label of a first answer that calls nothing is a class of its own.
        coalesce(c.answer_tool, '(none)') AS answer_tool,
        trim(CASE WHEN c.calls IS NULL THEN '' WHEN t.preamble IS NOT NULL THEN t.preamble
                  WHEN c.syntax = 'openai' THEN coalesce(s.beside_call, '') ELSE '' END) AS preamble,
        t.dialect,
        xor(s.text_hash, coalesce(c.call_hash, 0::UBIGINT)) AS conversation_hash,
        s.prompt_hash, s.request_hash,
        -- What is judged by its wording: the request, with what it answers where it is a word or two.
        CASE WHEN c.calls IS NULL THEN s.request WHEN regexp_matches(s.last_request, '\S+\s+\S+\s+\S') THEN s.last_request
             ELSE concat_ws(' ', nullif(s.request, s.last_request), s.last_request) END AS said, c.given
    FROM placed r
    JOIN files f USING (file)
    LEFT JOIN shape s USING (example)
    LEFT JOIN called c USING (example)
    LEFT JOIN turns t ON t.example = r.example AND t.message = c.call_message
-- A step at a time: what is used twice in one step is computed twice. What most requests do not need is asked for first,
-- where to ask costs less than to do it.
), shortened AS (
    SELECT *, if(strlen(said) > 500, said[:500], said) AS start FROM joined
), spelled AS (
    -- What is shouted has no names that its letters tell.
    SELECT *, if(regexp_matches(start, '\p{Ll}'), start, lower(start)) AS spelled FROM shortened
), unquoted AS (
    -- What is quoted as a whole does not count as a quotation.
    SELECT *, if(regexp_matches(spelled, '^[\s`"“”'']') OR regexp_matches(spelled, '[\s`"“”'']$'),
        trim(spelled, E' \n\r\t`"“”'''), spelled) AS spoken FROM spelled
), without_values AS (
    -- The values of its own calls, symbols, paths, numbers, quoted text and names out: what is left of a request is its template.
    SELECT *, CASE WHEN len(given) = 1 THEN replace(coalesce(spoken, ''), if(spoken = lower(spoken), lower(given[1]), given[1]), '_')
        WHEN len(given) > 1 THEN list_reduce(list_prepend(coalesce(spoken, ''), list_reverse_sort(
            if(spoken = lower(spoken), list_transform(given, lambda value: lower(value)), given))),
            lambda text, value: replace(text, value, '_'))
        ELSE coalesce(spoken, '') END AS unvalued FROM unquoted
), without_symbols AS (
    SELECT *, regexp_replace(unvalued,
        '`[^`\n]*`|"[^"\n]*"|''[^''\n]*''|\S*[\w][._/:(@]\S*|\S*\d\S*|\b[a-zA-Z]+[a-z][A-Z]\w*|\b[A-Z][A-Z]+\b',
        '_', 'g') AS unmarked FROM without_values
), without_names AS (
    SELECT *, CASE WHEN unmarked[2:] = lower(unmarked[2:]) THEN unmarked
        ELSE regexp_replace(unmarked, '([^.!?\s]\s+)\p{Lu}[\pL''’-]+', '\1_', 'g') END AS unnamed FROM without_symbols
), masked AS (
    SELECT *, if(contains(unnamed, '_'), regexp_replace(unnamed, '_(?:[\s,]*_)+', '_', 'g'), unnamed) AS masked
    FROM without_names
)
SELECT * EXCLUDE (said, given, start, spelled, spoken, unvalued, unmarked, unnamed),
    hash(CASE WHEN template <> '' THEN template ELSE lower(masked) END) AS template_hash
FROM masked
