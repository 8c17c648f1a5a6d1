-- id: trainer.nothing_trained
-- severity: fail
-- reason: A row without a token to learn from is left out by our trainer; mlx-lm divides 0 by 0 there and saves NaN.
-- hint: End every row with an answer that fits into train.max_seq_length.
SELECT t.example, e.split, 'Rows in which no token gets loss' AS message, format('{} tokens', t.tokens) AS detail, 'fail' AS severity
FROM tokens t JOIN examples e USING (example) CROSS JOIN trainer s
WHERE t.trained = 0 AND t.tokens <= s.max_seq_length AND t.refused = ''
UNION ALL
SELECT t.example, e.split, 'Rows whose prompt alone fills max_seq_length: NaN in mlx-lm with --mask-prompt',
    format('the prompt has {} tokens', t.mlx_prompt), 'warn'
FROM tokens t JOIN examples e USING (example) CROSS JOIN trainer s WHERE t.mlx_prompt >= s.max_seq_length
