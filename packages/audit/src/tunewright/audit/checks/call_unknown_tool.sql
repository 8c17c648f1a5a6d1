-- id: call.unknown_tool
-- severity: fail
-- reason: A call of a tool that was not offered teaches the model to make up tools.
-- hint: Offer the tool in the row (or name it in the catalog), or correct its name.
SELECT c.example, format('{} is called and not offered', c.tool) AS message, 'message ' || c.message AS detail
FROM calls c JOIN rows r USING (example)
WHERE c.tool IS NOT NULL AND CASE
    WHEN r.toolset IS NOT NULL THEN NOT EXISTS (FROM offered o WHERE o.toolset = r.toolset AND o.tool = c.tool)
    ELSE EXISTS (FROM offered WHERE toolset = 'catalog')
        AND NOT EXISTS (FROM offered o WHERE o.toolset = 'catalog' AND o.tool = c.tool) END
