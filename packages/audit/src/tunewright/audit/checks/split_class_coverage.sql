-- id: split.class_coverage
-- severity: warn
-- threshold: min_examples = 20
-- reason: A tool that is trained and not validated is unmeasured; one that is validated and not trained cannot be right.
-- hint: Split every tool in the same proportion (data.merge).
WITH counted AS (
    SELECT tool, split, count(*) AS n FROM examples WHERE tool IS NOT NULL GROUP BY tool, split
), splits AS (
    -- A base's own answers, which data.rehearse holds out in test, call nothing by their nature.
    SELECT DISTINCT split FROM examples WHERE split <> 'test' OR source IS DISTINCT FROM 'rehearsed'
),
trained AS (SELECT tool, n FROM counted WHERE split = 'train')
SELECT NULL::BIGINT AS example, s.split, t.n AS support, 'warn' AS severity,
    format('{} has {} examples in train and none in {}', t.tool, t.n, s.split) AS message
FROM trained t CROSS JOIN splits s
WHERE s.split <> 'train' AND t.n >= $min_examples
    AND NOT EXISTS (FROM counted c WHERE c.tool = t.tool AND c.split = s.split)
UNION ALL
SELECT e.example, e.split, c.n, 'fail',
    format('{} has {} examples in {} and none in train', c.tool, c.n, c.split)
FROM counted c JOIN examples e ON e.tool = c.tool AND e.split = c.split
WHERE c.split <> 'train' AND EXISTS (FROM splits WHERE split = 'train')
    AND NOT EXISTS (FROM trained t WHERE t.tool = c.tool)
