-- id: format.mixed_syntax
-- severity: fail
-- reason: One model can learn one way to write a call well; a server parses one of them.
-- hint: Render every call in the syntax that the server will parse.
WITH per_example AS (
    SELECT example, list_sort(list(DISTINCT syntax)) AS syntaxes FROM calls GROUP BY example
), counted AS (
    SELECT syntax, count(*) AS n FROM (SELECT DISTINCT example, syntax FROM calls) GROUP BY syntax
), common AS (SELECT arg_max(syntax, n) AS syntax FROM counted)
SELECT example, 'Rows that mix call syntaxes' AS message, array_to_string(syntaxes, ' and ') AS detail, NULL::DOUBLE AS effect
FROM per_example WHERE len(syntaxes) > 1
UNION ALL
SELECT p.example, format('{} rows write calls as {}, most as {}', c.n, c.syntax, common.syntax), '', c.n / (SELECT sum(n) FROM counted)
FROM per_example p JOIN counted c ON p.syntaxes = [c.syntax] CROSS JOIN common WHERE c.syntax <> common.syntax
