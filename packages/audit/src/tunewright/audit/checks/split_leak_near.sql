-- id: split.leak_near
-- severity: warn
-- threshold: fail_share = 0.2
-- reason: A request that differs in a word or two from a trained one says little about requests that are new.
-- hint: Split by cluster (data.merge), so that near-duplicates stay on one side.
WITH pairs AS (
    SELECT a, b, similarity FROM near_pairs UNION ALL SELECT b, a, similarity FROM near_pairs
), crossing AS (
    SELECT e.example, e.split, arg_max(o.path, p.similarity) AS path, arg_max(o.line, p.similarity) AS line,
        max(p.similarity) AS similarity
    FROM spoken_by s JOIN examples e USING (example)
    JOIN pairs p ON p.a = s.speaker
    JOIN spoken_by other ON other.speaker = p.b
    JOIN examples o ON o.example = other.example
    WHERE e.split <> 'train' AND o.split = 'train' AND e.request_hash <> o.request_hash
    GROUP BY e.example, e.split
), totals AS (SELECT split, count(*) AS n FROM examples GROUP BY split)
SELECT example, split, count(*) OVER (PARTITION BY split) / n AS effect, n AS support,
    CASE WHEN count(*) OVER (PARTITION BY split) >= $fail_share * n THEN 'fail' ELSE 'warn' END AS severity,
    format('{} of {} {} rows ask nearly the same as a row of train', count(*) OVER (PARTITION BY split), n,
        CASE split WHEN 'valid' THEN 'validation' ELSE split END) AS message,
    format('{:.0f} % like {}:{}', 100 * similarity, parse_filename(path), line) AS detail
FROM crossing JOIN totals USING (split)
