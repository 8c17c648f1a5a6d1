-- id: call.unknown_tool
-- severity: fail
-- reason: A call of a tool that was not offered teaches the model to make up tools.
-- hint: Offer the tool in the row (or name it in the catalog), or correct its name.
WITH found AS (
SELECT c.example, c.tool, c.message
FROM calls c JOIN rows r USING (example)
WHERE c.tool IS NOT NULL AND CASE
    WHEN r.toolset IS NOT NULL THEN NOT EXISTS (FROM offered o WHERE o.toolset = r.toolset AND o.tool = c.tool)
    ELSE EXISTS (FROM offered WHERE toolset = 'catalog')
        AND NOT EXISTS (FROM offered o WHERE o.toolset = 'catalog' AND o.tool = c.tool) END
), counted AS (
    SELECT tool, count(DISTINCT example) AS n FROM found GROUP BY tool
), named AS (
    -- A finding for each tool, unless there are too many to read.
    SELECT count(*) AS tools, array_to_string(list(format('{} ({})', tool, n) ORDER BY n DESC, tool)[:5], ', ') AS names
    FROM counted
)
SELECT example,
    if(tools <= 10, format('{} is called and not offered', tool),
        format('{} tools are called and not offered: {}, …', tools, names)) AS message,
    'message ' || message || if(tools <= 10, '', ': ' || tool) AS detail
FROM found, named
