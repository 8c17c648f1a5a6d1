-- id: conflict.same_query_different_tool
-- severity: warn
-- threshold: fail_share = 0.05
-- reason: The same request with the same tools calls one tool here and another there: one of them is marked wrong.
-- hint: Decide which tool is right for the request, or make the requests say what differs.
WITH asked AS (
    SELECT example, split, tool, (request_hash, coalesce(toolset, '')) AS query FROM examples
    WHERE request_hash IS NOT NULL AND tool IS NOT NULL
), torn AS (
    SELECT query, string_agg(DISTINCT tool, ' and ' ORDER BY tool) AS tools
    FROM asked GROUP BY query HAVING count(DISTINCT tool) > 1
), totals AS (SELECT count(*) AS n FROM examples)
SELECT example, split, n AS support, count(*) OVER () / n AS effect,
    if(count(*) OVER () >= $fail_share * n, 'fail', 'warn') AS severity,
    format('{} rows ask the same and call different tools', count(*) OVER ()) AS message, tools AS detail
FROM asked JOIN torn USING (query) CROSS JOIN totals
