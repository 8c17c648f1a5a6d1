-- id: split.suite_contamination
-- severity: fail
-- reason: A case that was trained on measures memory; the score that it adds to is not real.
-- hint: Remove these rows from train, or the case from the suite.
WITH trained AS (SELECT example, request_hash FROM examples WHERE split = 'train' AND request <> ''),
near AS (
    SELECT greatest(a, b) AS speaker, least(a, b) AS suite_example, similarity FROM near_pairs WHERE least(a, b) < 0
), found AS (
    SELECT t.example, s.suite, s.id, 1.0 AS similarity FROM trained t JOIN suite_cases s USING (request_hash)
    UNION
    SELECT t.example, s.suite, s.id, n.similarity
    FROM near n JOIN spoken_by b USING (speaker) JOIN trained t ON t.example = b.example
    JOIN suite_cases s ON s.example = n.suite_example
), best AS (SELECT example, suite, arg_max(id, similarity) AS id, max(similarity) AS similarity FROM found GROUP BY ALL)
SELECT example, 'train' AS split, max(similarity) OVER () AS effect,
    format('{} rows of train ask the same as a case of {}', count(*) OVER (PARTITION BY suite), suite) AS message,
    format('{:.0f} % like case {}', 100 * similarity, id) AS detail
FROM best
