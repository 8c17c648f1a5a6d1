-- id: trainer.prefix
-- severity: warn
-- reason: A model is served behind tokens that it was never trained behind.
-- hint: Train with our stages, which render every turn as it is served; for other trainers cut rows at each answer, write arguments as objects, and remove Arrow's nulls.
WITH turns AS (
    SELECT p.*, e.split, count(*) OVER (PARTITION BY split) AS differing FROM prefixes p JOIN examples e USING (example)
), totals AS (
    SELECT split, count(*) AS n FROM messages JOIN examples USING (example) WHERE role = 'assistant' GROUP BY split
)
SELECT example, split, differing / n AS effect, n AS support,
    format('mlx-lm trains {} of {} answers of {} behind other tokens than they are served behind', differing, n, split) AS message,
    format('message {}: trained behind "{}", served behind "{}"', message, trained, served) AS detail, NULL AS severity
FROM turns JOIN totals USING (split)
UNION ALL
SELECT NULL, NULL, NULL, NULL, format('the chat template of {} is not on this machine: what turns are trained behind was not checked', base), NULL,
    'info'
FROM trainer WHERE tokenizer IS NULL
