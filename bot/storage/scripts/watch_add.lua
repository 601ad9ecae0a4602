-- Stores a watch, unless its channel or its workspace is at its limit.
-- ARGV: operation, channel, workspace, id, watch, incident, history ('': none), subject, due, most in a channel, most in a workspace,
-- then its demand: name and number of queries, for each kind of list.
-- Returns 'added', 'had', 'channel' or 'workspace' (the one that is full). Sent again it returns the same and changes nothing.
local operation, channel, workspace, id, watch, incident, history, subject, due = unpack(ARGV, 1, 9)
local watches = 'mc1:watches:' .. channel
if renew('HEXISTS', watches, id) == 1 then
    local held = try('HGET', 'mc1:incidents:' .. channel, id)
    local ours = held and string.sub(held, 1, #operation + 1) == operation .. ' '
    return answer(ours and 'added' or 'had')
end
if redis.call('HLEN', watches) >= tonumber(ARGV[10]) then
    return answer('channel')
end
local stored = 0
for _, number in ipairs(try('HVALS', 'mc1:rooms:' .. workspace) or {}) do
    stored = stored + (tonumber(number) or 0)
end
if stored >= tonumber(ARGV[11]) then
    return answer('workspace')
end
redis.call('HSET', watches, id, watch)
renew('HSET', 'mc1:incidents:' .. channel, id, operation .. ' ' .. incident)
if history ~= '' then
    renew('HSET', 'mc1:history:' .. channel, id, history)
end
count('mc1:rooms:' .. workspace, channel, 1)
try('SADD', 'mc1:subject:' .. subject, id .. ' ' .. channel)  -- one of another type is built anew from all watches
try('ZADD', 'mc1:looks', 'LT', due, subject)
for i = 12, #ARGV, 2 do
    count('mc1:wishes', ARGV[i], ARGV[i + 1])
end
return answer('added')
