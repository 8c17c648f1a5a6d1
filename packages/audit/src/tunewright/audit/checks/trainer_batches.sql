-- id: trainer.batches
-- severity: warn
-- threshold: min_batches = 10
-- threshold: min_excess = 0.3
-- reason: mlx-lm puts consecutive rows into a batch: a sorted file gives batches of one tool, and steps that forget the others.
-- hint: Shuffle the rows; our trainer draws them at random.
WITH batches AS (
    SELECT batch, count(*) AS size, mode(answer_tool) AS tool,
        count(*) FILTER (answer_tool = m.most) / count(*) AS share, sum(t.tokens) AS tokens, max(t.tokens) * count(*) AS padded
    FROM (SELECT b.batch, b.example, e.answer_tool, mode(e.answer_tool) OVER (PARTITION BY b.batch) AS most
          FROM mlx_batches b JOIN examples e USING (example)) m
    LEFT JOIN tokens t USING (example)
    GROUP BY batch
), shares AS (
    SELECT count(*) / sum(count(*)) OVER () AS p FROM examples WHERE split = 'train' GROUP BY answer_tool
), whole AS (
    SELECT count(*) AS n, count(*) FILTER (share = 1) / count(*) AS pure, 1 - sum(tokens) / sum(padded) AS padding,
        (SELECT sum(p ** (SELECT any_value(size) FROM batches)) FROM shares) AS by_chance, any_value(size) AS size
    FROM batches
)
SELECT NULL::BIGINT AS example, 'train' AS split, pure - by_chance AS effect, n AS support,
    if(n >= $min_batches AND size > 1 AND pure - by_chance >= $min_excess, 'warn', 'info') AS severity,
    format('mlx-lm makes {} batches of {}: {:.0f} % hold one tool only ({:.0f} % by chance){}', n, size, 100 * pure,
        100 * by_chance, if(padding IS NULL, '', format(', {:.0f} % of their tokens are padding', 100 * padding))) AS message
FROM whole WHERE n > 0
