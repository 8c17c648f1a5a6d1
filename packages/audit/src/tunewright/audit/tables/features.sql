-- One row an example, one column a structural feature. Which of them a model can see before it answers, and what each
-- is called in plain words, is in features.py.
CREATE TABLE feature_columns AS
WITH sets AS (
    SELECT toolset, count(*) AS offered, md5(string_agg(kind, ' ' ORDER BY kind))[:8] AS names,
        md5(string_agg(kind, ' ' ORDER BY position))[:8] AS in_order
    FROM offered GROUP BY toolset
), splits AS (
    SELECT split, $sample::DOUBLE / count(*) AS share FROM examples GROUP BY split
), texts AS (
    -- What tools a system message lists is a feature of its own, and messages that differ in a number only are one.
    SELECT e.*, s.* EXCLUDE (toolset), regexp_replace(CASE WHEN b.text IS NOT NULL THEN b.text
            WHEN contains(e.system, '<tools>') THEN regexp_replace(e.system, '<tools>.*?</tools>', '', 's') ELSE e.system END,
            '\d+', '0', 'g') AS bare,
        coalesce(last_request, '') AS wanted,
        -- How requests are written is looked at in a sample of each split's rows, the same one every time.
        CASE WHEN share < 1 AND hash(example) > share * 18446744073709551615 THEN NULL
            WHEN strlen(wanted) > 1000 THEN wanted[:1000] ELSE wanted END AS asked
    FROM examples e JOIN splits USING (split) LEFT JOIN bare_prompts b USING (toolset) LEFT JOIN sets s USING (toolset)
), scripts AS (
    -- The first 200 characters have a word that tells, if any have.
    SELECT *, if(strlen(asked) > 200, asked[:200], asked) AS opening, strlen(asked) <> length(asked) AS foreign_letters,
        CASE WHEN NOT foreign_letters THEN NULL
        WHEN regexp_matches(asked, '\p{Cyrillic}{2}') THEN 'Cyrillic'
        WHEN regexp_matches(asked, '[\p{Hiragana}\p{Katakana}]') THEN 'Japanese'
        WHEN regexp_matches(asked, '\p{Hangul}') THEN 'Korean'
        WHEN regexp_matches(asked, '\p{Han}') THEN 'Chinese'
        WHEN regexp_matches(asked, '\p{Arabic}') THEN 'Arabic'
        WHEN regexp_matches(asked, '[\p{Greek}\p{Hebrew}\p{Thai}\p{Devanagari}]{2}') THEN 'another script' END AS script
    FROM texts
), languages AS (
    -- English is looked for first: most requests end there.
    SELECT *, CASE WHEN script IS NOT NULL OR asked IS NULL THEN ''
        WHEN regexp_matches(opening, '(?i)\b(?:the|is|of|to|and|for|what|please|my|with|you|can|how|who|i)\b') THEN 'the'
        ELSE regexp_extract(lower(opening), '\b(der|das|und|ich|bitte|nicht|eine|mir|ist|zeige|le|les|des|'
            || 'une|est|pour|dans|moi|vous|je|quel|quelle|el|los|las|por|del|quiero|il|che|gli|della|sono|uma|het|een|van|voor|'
            || 'ik|niet)\b', 1) END AS word
    FROM scripts
)
SELECT e.example,
    CASE WHEN e.has_system THEN 'yes' ELSE 'no' END AS has_system,
    CASE WHEN e.has_system THEN md5(e.bare)[:8] ELSE 'none' END AS system_text,
    -- Buckets double: 0, 1, 2-3, 4-7, … characters.
    CASE WHEN e.bare IS NULL THEN 'none' WHEN e.bare = '' THEN '0' ELSE '2^' || floor(log2(length(e.bare)))::INTEGER END AS system_length,
    CASE WHEN e.choice - 1 - e.has_system::INTEGER > 1 THEN 'yes' ELSE 'no' END AS earlier_turns,
    coalesce(e.roles_before, '') AS roles_before,
    (e.choice - 1)::VARCHAR AS messages_before,
    coalesce(e.last_role_before, 'none') AS last_role_before,
    coalesce(e.offered, 0)::VARCHAR AS tools_offered,
    coalesce(e.names, 'none') AS tool_set,
    coalesce(e.in_order, 'none') AS tool_order,
    concat_ws(' ',
        CASE WHEN regexp_matches(e.last_request, '^\s') THEN 'leading' END,
        CASE WHEN regexp_matches(e.last_request, '\s$') THEN 'trailing' END,
        CASE WHEN contains(e.last_request, chr(13)) THEN 'cr' END) AS request_whitespace,
    concat_ws(' ',
        CASE WHEN regexp_matches(e.system, '^\s') THEN 'leading' END,
        CASE WHEN regexp_matches(e.system, '\s$') THEN 'trailing' END) AS system_whitespace,
    CASE WHEN e.wanted = '' THEN '0' ELSE '2^' || floor(log2(length(e.wanted)))::INTEGER END AS request_length,
    -- Of what is not a name or a value: those have the case that they have.
    CASE WHEN e.asked IS NULL THEN NULL WHEN NOT regexp_matches(e.asked, '\p{Ll}') THEN if(regexp_matches(e.asked, '\p{Lu}\PL*\p{Lu}'), 'capitals', 'none')
         WHEN e.masked = lower(e.masked) THEN if(regexp_matches(e.masked, '\p{Ll}'), 'small letters', 'none')
         WHEN regexp_matches(e.masked, '^\PL*\p{Lu}') THEN 'capital' ELSE 'small' END AS request_case,
    CASE regexp_extract(right(e.asked, 8), '([.!?…。！？:;,])[\s"''`)”’]*$', 1) WHEN '' THEN 'no mark' WHEN '?' THEN 'question' WHEN '？' THEN 'question'
         WHEN '.' THEN 'full stop' WHEN '。' THEN 'full stop' WHEN '!' THEN 'exclamation mark' WHEN '！' THEN 'exclamation mark'
         ELSE if(e.asked IS NULL, NULL, 'other mark') END AS request_end,
    CASE WHEN e.asked IS NULL THEN NULL WHEN e.script IS NOT NULL THEN e.script WHEN e.word = 'the' THEN 'English' WHEN e.word = '' THEN 'unknown'
         WHEN e.word IN ('der', 'das', 'und', 'ich', 'bitte', 'nicht', 'eine', 'mir', 'ist', 'zeige') THEN 'German'
         WHEN e.word IN ('le', 'les', 'des', 'une', 'est', 'pour', 'dans', 'moi', 'vous', 'je', 'quel', 'quelle') THEN 'French'
         WHEN e.word IN ('el', 'los', 'las', 'por', 'del', 'quiero') THEN 'Spanish'
         WHEN e.word IN ('il', 'che', 'gli', 'della', 'sono') THEN 'Italian'
         WHEN e.word = 'uma' THEN 'Portuguese'
         WHEN e.word IN ('het', 'een', 'van', 'voor', 'ik', 'niet') THEN 'Dutch' ELSE 'unknown' END AS request_language,
    -- CASE, for AND evaluates both sides.
    CASE WHEN e.asked IS NULL THEN NULL WHEN contains(e.asked, '`') THEN 'backticks' WHEN contains(e.asked, '"') OR contains(e.asked, '“') OR contains(e.asked, '«') THEN 'double quotes'
         WHEN NOT contains(e.asked, '''') THEN 'none'
         WHEN regexp_matches(e.asked, '(?:^|\s)''[^''\n]+''(?:\s|$|[.?!,;:])') THEN 'single quotes' ELSE 'none' END AS request_quotes,
    CASE WHEN e.asked IS NULL THEN NULL WHEN NOT contains(e.asked, chr(10)) THEN 'no' WHEN contains(trim(e.asked, E' \n\r\t'), chr(10)) THEN 'yes' ELSE 'no' END AS request_lines,
    CASE WHEN e.asked IS NULL THEN NULL WHEN NOT e.foreign_letters THEN 'no'
         WHEN regexp_matches(e.asked, '[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]') THEN 'yes' ELSE 'no' END AS request_emoji,
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
FROM languages e;
