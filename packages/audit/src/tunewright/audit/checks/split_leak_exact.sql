-- id: split.leak_exact
-- severity: fail
-- reason: A validation row that was trained on measures memory, not ability.
-- hint: Split by cluster (data.merge), or remove these rows from the split named.
WITH trained AS (
    SELECT conversation_hash, arg_min(path, example) AS path, arg_min(line, example) AS line FROM examples WHERE split = 'train' GROUP BY 1
), totals AS (SELECT split, count(*) AS n FROM examples GROUP BY split)
SELECT e.example, e.split, count(*) OVER (PARTITION BY e.split) / n AS effect, n AS support,
    format('{} of {} {} rows also appear in train', count(*) OVER (PARTITION BY e.split), n,
        CASE e.split WHEN 'valid' THEN 'validation' ELSE e.split END) AS message,
    'same as ' || parse_filename(t.path) || ':' || t.line AS detail
FROM examples e JOIN trained t USING (conversation_hash) JOIN totals USING (split)
WHERE e.split <> 'train'
