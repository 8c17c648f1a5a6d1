-- One row an example, one column a structural feature. Which of them a model can see before it answers, and what each
-- is called in plain words, stands in features.py.
CREATE TABLE feature_columns AS
WITH sets AS (
    SELECT toolset, count(*) AS offered, md5(string_agg(kind, ' ' ORDER BY kind))[:8] AS names,
        md5(string_agg(kind, ' ' ORDER BY position))[:8] AS in_order
    FROM offered GROUP BY toolset
), lengths AS (
    -- Buckets double: 0, 1, 2-3, 4-7, … characters. What tools a system message lists is a feature of its own.
    SELECT example, coalesce(b.text, regexp_replace(e.system, '<tools>.*?</tools>', '', 's')) AS bare,
        length(bare) AS system, length(coalesce(last_request, '')) AS request,
        length(coalesce(first_answer, '')) AS answer
    FROM examples e LEFT JOIN bare_prompts b USING (toolset)
)
SELECT e.example,
    CASE WHEN e.has_system THEN 'yes' ELSE 'no' END AS has_system,
    CASE WHEN e.has_system THEN md5(l.bare)[:8] ELSE 'none' END AS system_text,
    CASE WHEN l.system IS NULL THEN 'none' WHEN l.system = 0 THEN '0' ELSE '2^' || floor(log2(l.system))::INTEGER END AS system_length,
    coalesce(e.roles_before, '') AS roles_before,
    (e.answer - 1)::VARCHAR AS messages_before,
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
    CASE WHEN e.preamble <> '' THEN 'yes' ELSE 'no' END AS has_preamble,
    CASE WHEN e.preamble <> '' THEN md5(e.preamble)[:8] ELSE 'none' END AS preamble_text,
    CASE WHEN e.multi_turn THEN 'yes' ELSE 'no' END AS multi_turn,
    coalesce(e.roles, '') AS roles,
    e.messages::VARCHAR AS messages,
    coalesce(e.syntax, 'none') AS syntax,
    coalesce(e.dialect, 'none') AS dialect,
    CASE WHEN l.answer = 0 THEN '0' ELSE '2^' || floor(log2(l.answer))::INTEGER END AS answer_length,
    array_to_string(e.keys, ' ') AS keys,
    e.source,
    (e.line % 2)::VARCHAR AS row_parity
FROM examples e
JOIN lengths l USING (example)
LEFT JOIN sets s USING (toolset);
