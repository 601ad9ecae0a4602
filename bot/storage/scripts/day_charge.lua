-- Charges people's questions to the days of lists: all that are wanted of a list, or as many as are left.
-- ARGV: operation, now, workspace, 1 if all or none, share of a day that may be used, share of one workspace,
-- share of watches, then of each list: id, questions a day that its operator allows, questions wanted.
-- Returns how many were granted of each. Sent again as the next command for these lists it returns the same.
local operation, now, workspace, whole = ARGV[1], tonumber(ARGV[2]), 'w:' .. ARGV[3], ARGV[4] == '1'
local most, own_most, watch_most = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local today = math.floor(now / 86400)
local elapsed = math.max(now % 86400 / 86400, 1 / 24)

local function number(text)
    local value = tonumber(text)
    return value and value >= 0 and value < 2 ^ 53 and value or 0
end

-- What watches take of this day: as much again for the rest of it as they took so far.
local function watched(list, per_day)
    local row = try('HMGET', 'mc1:bucket:' .. list, 'day', 'used')
    local used = row and tonumber(row[1]) == today and number(row[2]) or 0
    return math.min(watch_most * per_day, math.max(used, used / elapsed))
end

local function charge(list, per_day, wanted)
    local key = 'mc1:day:' .. list
    local day, total, by, had, own, workspaces =
        unpack(renew('HMGET', key, 'day', 'total', 'by', 'had', workspace, 'workspaces'))
    if by == operation then
        return number(had)
    end
    if tonumber(day) ~= today then
        redis.call('DEL', key)
        total, own, workspaces = 0, nil, 0
    end
    total, workspaces = number(total), number(workspaces) + (own and 0 or 1)
    local left = math.max(0, most * per_day - watched(list, per_day))
    local share = own_most * left / workspaces
    local granted = math.min(wanted, math.floor(left - total), math.floor(share - number(own)))
    granted = math.max(0, granted)
    if whole and granted < wanted then
        granted = 0
    end
    redis.call('HSET', key, 'day', today, 'total', total + granted, 'by', operation, 'had', granted,
        workspace, number(own) + granted, 'workspaces', workspaces)
    redis.call('EXPIRE', key, 86400)
    return granted
end

local granted = {}
for index = 8, #ARGV, 3 do
    granted[#granted + 1] = charge(ARGV[index], tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]))
end
return answer_list(granted)
