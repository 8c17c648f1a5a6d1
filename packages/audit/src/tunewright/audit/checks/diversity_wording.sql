-- id: diversity.wording
-- severity: warn
-- threshold: min_examples = 20
-- reason: A tool that is asked for in one wording only is learned as that wording: how often it is found in other words cannot be told from such data.
-- hint: Write each tool's requests in at least ten different wordings.
WITH asked AS (
    SELECT e.tool, count(*) AS n, count(DISTINCT c.cluster) AS wordings, any_value(coalesce(nullif(e.template, ''), lower(e.masked))) AS wording
    FROM examples e JOIN clusters c USING (example)
    WHERE e.tool IS NOT NULL AND e.split = 'train' AND e.request <> '' GROUP BY e.tool
)
SELECT e.example, e.split, a.n AS support,
    format('All {} requests for {} have one wording: {}', a.n, a.tool, a.wording[:120]) AS message
FROM asked a JOIN examples e ON e.tool = a.tool AND e.split = 'train'
WHERE a.wordings = 1 AND a.n >= $min_examples
