-- id: trainer.zero_weight
-- severity: warn
-- reason: A weight of 0 says that an answer is context and not to be learned; here that leaves nothing to learn.
-- hint: Leave out the weight of the answers to learn from, or set it to 1.
WITH weighed AS (
    SELECT example, max(coalesce(weight, 1)) AS most FROM messages WHERE role = 'assistant' GROUP BY example
), splits AS (
    SELECT f.split FROM weighed JOIN rows USING (example) JOIN files f USING (file) GROUP BY f.split HAVING max(most) <= 0
)
SELECT w.example, 'Every answer of ' || f.split || ' has weight 0: no token of it gets loss' AS message
FROM weighed w JOIN rows USING (example) JOIN files f USING (file) SEMI JOIN splits USING (split)
