-- id: trainer.call_truncated
-- severity: warn
-- threshold: fail_share = 0.05
-- reason: Where mlx-lm cuts a row inside a call, the model is trained to begin calls and never to end them.
-- hint: Raise train.max_seq_length, or train with our stages, which leave such rows out.
WITH cut AS (
    SELECT c.example, e.split, c.message, c.last, s.max_seq_length AS most
    FROM token_calls c JOIN examples e USING (example) CROSS JOIN trainer s WHERE c.last > s.max_seq_length
), totals AS (SELECT split, count(*) AS n FROM examples WHERE calls > 0 GROUP BY split)
SELECT example, split, count(*) OVER (PARTITION BY split) / n AS effect, n AS support,
    if(count(*) OVER (PARTITION BY split) >= $fail_share * n, 'fail', 'warn') AS severity,
    format('mlx-lm would cut {} calls of {} at {} tokens', count(*) OVER (PARTITION BY split), split, most) AS message,
    format('message {}: the call ends at token {}', message, last) AS detail
FROM cut JOIN totals USING (split)
