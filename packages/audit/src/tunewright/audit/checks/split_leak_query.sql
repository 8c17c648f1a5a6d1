-- id: split.leak_query
-- severity: fail
-- threshold: fail_share = 0.01
-- reason: The same request with another answer: the model has seen the question before.
-- hint: Split by cluster (data.merge), so that no request is on both sides.
WITH trained AS (
    SELECT request_hash, arg_min(path, example) AS path, arg_min(line, example) AS line FROM examples
    WHERE split = 'train' AND request <> '' GROUP BY 1
), exact AS (SELECT DISTINCT conversation_hash FROM examples WHERE split = 'train'),
totals AS (SELECT split, count(*) AS n FROM examples GROUP BY split)
SELECT e.example, e.split, count(*) OVER (PARTITION BY e.split) / n AS effect, n AS support,
    CASE WHEN count(*) OVER (PARTITION BY e.split) >= $fail_share * n THEN 'fail' ELSE 'warn' END AS severity,
    format('{} of {} {} rows ask the same as a row of train', count(*) OVER (PARTITION BY e.split), n,
        CASE e.split WHEN 'valid' THEN 'validation' ELSE e.split END) AS message,
    'same request as ' || parse_filename(t.path) || ':' || t.line AS detail
FROM examples e JOIN trained t USING (request_hash) JOIN totals USING (split)
WHERE e.split <> 'train' AND e.conversation_hash NOT IN (SELECT conversation_hash FROM exact)
