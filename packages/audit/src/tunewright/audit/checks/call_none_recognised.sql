-- id: call.none_recognised
-- severity: warn
-- reason: Either these calls are written in a way that is not read here, and nothing about them was checked, or a model learns never to call what it is offered.
-- hint: Look at an answer of these rows. If it is a call, see docs/checks.md for the dialects that are read; if none is meant to call, switch this check off.
WITH called AS (
    SELECT DISTINCT file FROM calls JOIN rows USING (example)
)
SELECT r.example,
    format('Tools are offered, and no call is recognised in any answer of {}', regexp_extract(f.path, '[^/]*$')) AS message,
    'answer: ' || coalesce((
        SELECT arg_min(content, position) FROM messages m WHERE m.example = r.example AND m.role = 'assistant'
    )[:120], '(none)') AS detail
FROM rows r JOIN files f USING (file)
WHERE r.file NOT IN (SELECT file FROM called)
    AND (r.toolset IN (SELECT toolset FROM offered) OR r.toolset IN (SELECT toolset FROM toolset_faults))
