-- id: duplicates.near
-- severity: warn
-- threshold: warn_share = 0.05
-- reason: Many variants of one request teach its wording; what is counted as 800 examples may be 100.
-- hint: Vary the requests, or keep one of each and lower the count you quote.
WITH same_words AS (
    SELECT example, min(example) OVER (PARTITION BY split, speaker) AS other, 1.0 AS similarity
    FROM spoken_by JOIN examples USING (example)
), near AS (
    SELECT b AS example, a AS other, similarity FROM near_pairs
    UNION ALL SELECT * FROM same_words WHERE example <> other
), best AS (
    SELECT example, arg_max(other, similarity) AS other, max(near.similarity) AS similarity FROM near GROUP BY example
), rows_found AS (
    SELECT e.example, e.split, o.path, o.line, similarity
    FROM best JOIN examples e USING (example) JOIN examples o ON o.example = best.other
    WHERE e.split = o.split AND e.conversation_hash <> o.conversation_hash
), totals AS (SELECT split, count(*) AS n FROM examples GROUP BY split)
SELECT example, split, count(*) OVER (PARTITION BY split) / n AS effect, n AS support,
    CASE WHEN count(*) OVER (PARTITION BY split) >= $warn_share * n THEN 'warn' ELSE 'info' END AS severity,
    format('{} of {} rows of {} say nearly what another row says', count(*) OVER (PARTITION BY split), n, split) AS message,
    format('{:.0f} % like {}:{}', 100 * similarity, parse_filename(path), line) AS detail
FROM rows_found JOIN totals USING (split)
