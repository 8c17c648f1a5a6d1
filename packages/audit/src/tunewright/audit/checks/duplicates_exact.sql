-- id: duplicates.exact
-- severity: warn
-- threshold: fail_share = 0.2
-- reason: A repeated row counts several times in the loss, and makes every number look better founded than it is.
-- hint: Keep the first of each; data.merge does.
WITH repeated AS (
    SELECT example, split, conversation_hash,
        first_value(line) OVER same AS first_line, first_value(path) OVER same AS first_path,
        row_number() OVER same AS number
    FROM examples WINDOW same AS (PARTITION BY split, conversation_hash ORDER BY example)
), totals AS (SELECT split, count(*) AS n FROM examples GROUP BY split)
SELECT example, split, count(*) OVER (PARTITION BY split) / n AS effect, n AS support,
    CASE WHEN count(*) OVER (PARTITION BY split) >= $fail_share * n THEN 'fail' ELSE 'warn' END AS severity,
    format('{} of {} rows of {} repeat an earlier row word for word', count(*) OVER (PARTITION BY split), n, split) AS message,
    'same as ' || parse_filename(first_path) || ':' || first_line AS detail
FROM repeated JOIN totals USING (split) WHERE number > 1
