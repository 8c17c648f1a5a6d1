-- id: trainer.call_untrained
-- severity: fail
-- reason: A call that gets no loss is not learned, however often it is shown.
-- hint: Set train.mask = "assistant" in the recipe.
SELECT c.example, e.split, 'fail' AS severity,
    format('Calls without loss under mask = "{}"', s.mask) AS message, 'message ' || c.message AS detail
FROM token_calls c JOIN examples e USING (example) JOIN tokens t USING (example) CROSS JOIN trainer s
WHERE NOT c.trained AND t.tokens <= s.max_seq_length AND e.split = 'train'
UNION ALL
SELECT c.example, e.split, 'info', 'Calls that mlx-lm''s own --mask-prompt would not train', 'message ' || c.message
FROM token_calls c JOIN examples e USING (example) WHERE NOT c.mlx_trained AND e.split = 'train'
