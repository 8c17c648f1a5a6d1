-- id: format.mixed_syntax
-- severity: fail
-- reason: One model can learn one way to write a call well; a server parses one of them.
-- hint: Render every call in the syntax that the server will parse.
WITH kinds AS (
    SELECT DISTINCT example, syntax FROM calls
), per_example AS (
    SELECT example, min(syntax) AS first, max(syntax) AS last FROM kinds GROUP BY example
), counted AS (
    SELECT syntax, count(*) AS n FROM kinds GROUP BY syntax
), common AS (SELECT arg_max(syntax, n) AS syntax FROM counted)
SELECT example, 'Rows that mix call syntaxes' AS message, string_agg(syntax, ' and ' ORDER BY syntax) AS detail, NULL::DOUBLE AS effect
FROM kinds JOIN per_example USING (example) WHERE first <> last GROUP BY example
UNION ALL
SELECT p.example, format('{} rows write calls as {}, most as {}', c.n, c.syntax, common.syntax), '', c.n / (SELECT sum(n) FROM counted)
FROM per_example p JOIN counted c ON c.syntax = p.first CROSS JOIN common
WHERE first = last AND c.syntax <> common.syntax
