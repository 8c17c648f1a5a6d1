-- id: call.unknown_tool
-- severity: fail
-- reason: A call of a tool that was not offered teaches the model to make up tools.
-- hint: Offer the tool in the row (or name it in the catalog), or correct its name.
WITH found AS (
SELECT c.example, c.tool, c.message
FROM calls c JOIN rows r USING (example)
WHERE c.tool IS NOT NULL AND CASE
    WHEN r.toolset IS NOT NULL THEN NOT EXISTS (FROM offered o WHERE o.toolset = r.toolset AND o.tool = c.tool)
        -- Of a list that cannot be read at all, nobody knows what it offers.
        AND (EXISTS (FROM offered o WHERE o.toolset = r.toolset) OR r.toolset NOT IN (SELECT toolset FROM toolset_faults))
    ELSE EXISTS (FROM offered WHERE toolset = 'catalog')
        AND NOT EXISTS (FROM offered o WHERE o.toolset = 'catalog' AND o.tool = c.tool) END
), counted AS (
    SELECT tool, count(DISTINCT example) AS n FROM found GROUP BY tool
), named AS (
    -- A finding for each tool, unless there are too many to read.
    SELECT count(*) AS tools, array_to_string(list(format('{} ({})', tool, n) ORDER BY n DESC, tool)[:5], ', ') AS names
    FROM counted
), unread AS (
    SELECT NULL::BIGINT AS example, file, line, detail FROM faults WHERE kind = 'tools'
    UNION ALL
    SELECT r.example, NULL, NULL, f.detail FROM rows r JOIN toolset_faults f USING (toolset)
)
SELECT example, NULL::INTEGER AS file, NULL::BIGINT AS line,
    if(tools <= 10, format('{} is called and not offered', tool),
        format('{} tools are called and not offered: {}, …', tools, names)) AS message,
    'message ' || message || if(tools <= 10, '', ': ' || tool) AS detail, NULL::VARCHAR AS hint
FROM found, named
UNION ALL
SELECT example, file, line, 'Offered tools that cannot be read', detail,
    'Write tools as a JSON list of objects, each with a name; calls are not checked against what cannot be read.'
FROM unread
