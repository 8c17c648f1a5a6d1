-- id: trainer.dropped_rows
-- severity: warn
-- reason: Rows that never reach a batch are counted in every table and learned by nobody.
-- hint: Correct the rows that the chat template refuses; our trainer trains the remainder that mlx-lm leaves out.
SELECT t.example, e.split, 'fail' AS severity, 'Rows that the chat template refuses' AS message, t.refused AS detail
FROM tokens t JOIN examples e USING (example) WHERE t.refused <> ''
UNION ALL
SELECT e.example, e.split, 'info', 'Rows that mlx-lm would never train: the remainder of n / batch_size', NULL
FROM examples e CROSS JOIN trainer s WHERE e.split = 'train' AND e.example NOT IN (SELECT example FROM mlx_batches)
