-- id: trainer.truncated
-- severity: warn
-- threshold: fail_share = 0.05
-- reason: Rows above max_seq_length are left out by our trainer; mlx-lm cuts their tail, where the answer is.
-- hint: Raise train.max_seq_length, or shorten these rows.
WITH long AS (
    SELECT t.example, e.split, t.tokens, s.max_seq_length AS most FROM tokens t JOIN examples e USING (example) CROSS JOIN trainer s
    WHERE t.tokens > s.max_seq_length
), totals AS (SELECT split, count(*) AS n FROM examples GROUP BY split)
SELECT example, split, count(*) OVER (PARTITION BY split) / n AS effect, n AS support,
    if(count(*) OVER (PARTITION BY split) >= $fail_share * n, 'fail', 'warn') AS severity,
    format('{} of {} rows of {} are longer than {} tokens', count(*) OVER (PARTITION BY split), n, split, most) AS message,
    tokens || ' tokens' AS detail
FROM long JOIN totals USING (split)
UNION ALL
SELECT NULL, NULL, NULL, NULL, 'info', format('the tokenizer of {} is not on this machine: lengths were not checked', base), NULL
FROM trainer WHERE tokenizer IS NULL
