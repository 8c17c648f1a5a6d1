-- id: format.role_order
-- severity: fail
-- reason: Chat templates refuse such an order, drop turns silently, or train on a turn that nothing asked for.
-- hint: One system message first, then user and assistant in turn, tool results after the call they answer.
WITH pairs AS (
    -- Few orders of roles are distinct: each is looked at once.
    SELECT roles, position, roles[position] AS role, if(position > 1, roles[position - 1], NULL) AS before, roles[position + 1] AS after
    FROM (SELECT roles, unnest(range(1, len(roles) + 1)) AS position FROM (SELECT DISTINCT roles FROM rows))
), misplaced AS (
    SELECT roles, position, 'fail' AS severity, 'a system message that is not the first' AS message
    FROM pairs WHERE role = 'system' AND position > 1
    UNION ALL
    SELECT roles, position, 'warn', role || ' twice in a row'
    FROM pairs WHERE role = before AND role IN ('user', 'assistant')
    UNION ALL
    SELECT roles, position, 'fail', 'a tool result without a call before it'
    FROM pairs WHERE role = 'tool' AND coalesce(before, '') NOT IN ('assistant', 'tool')
    UNION ALL
    SELECT roles, position, 'warn', 'an assistant message before any request'
    FROM pairs WHERE role = 'assistant' AND (before IS NULL OR (before = 'system' AND position = 2))
    UNION ALL
    -- Nothing is trained after a request, and nothing is ruined by it.
    SELECT roles, position, if(role = 'user', 'warn', 'fail'),
        if(role = 'user', 'the conversation ends with a request that nobody answers', 'the last message is not an answer')
    FROM pairs WHERE after IS NULL AND role <> 'assistant'
), called AS (SELECT DISTINCT example, message FROM calls),
identified AS (SELECT example, message, tool_call_id AS id FROM calls WHERE tool_call_id <> ''),
answered AS (SELECT example, position, tool_call_id AS id FROM messages WHERE role = 'tool' AND tool_call_id <> ''),
found AS (
    SELECT example, position, severity, message FROM misplaced JOIN rows USING (roles)
    UNION ALL
    SELECT r.example, position, 'warn', 'a tool result after an answer that calls nothing'
    FROM pairs p JOIN rows r USING (roles) WHERE role = 'tool' AND before = 'assistant'
        AND NOT EXISTS (FROM called c WHERE c.example = r.example AND c.message = p.position - 1)
    UNION ALL
    SELECT example, position, 'fail', 'a tool result for a call that is not there: no call before it has its tool_call_id'
    FROM answered a WHERE NOT EXISTS (FROM identified i WHERE i.example = a.example AND i.id = a.id AND i.message < a.position)
        AND a.example IN (SELECT example FROM identified)
    UNION ALL
    SELECT example, message, 'warn', 'two calls of one message with the same id'
    FROM identified GROUP BY example, message, id HAVING count(*) > 1
    UNION ALL
    -- Only where results are told apart by ids, and the conversation goes on after the call.
    SELECT DISTINCT i.example, i.message, 'warn', 'a call without its result, although the conversation goes on'
    FROM identified i JOIN rows r ON r.example = i.example AND i.message < len(r.roles)
    WHERE NOT EXISTS (FROM answered a WHERE a.example = i.example AND a.id = i.id AND a.position > i.message)
        AND i.example IN (SELECT example FROM answered)
)
SELECT example, severity, message, 'message ' || position AS detail FROM found
