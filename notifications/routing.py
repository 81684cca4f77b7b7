"""Which channel gets what: the routing table (app.notification_channels) as queries.

Each selects the rows that belong into app.notification_deliveries: org_id, channel_id, insight_id, digest_day,
recipient. An e-mail channel has a recipient for each of its addresses.
"""

from typing import Final, LiteralString

# Params: ids (insights), severities (the worst first).
OPENED: Final[LiteralString] = r"""
select channel.org_id, channel.id as channel_id, insight.id as insight_id, null::date as digest_day, recipient
from app.insight_events as insight
join app.notification_channels as channel on channel.org_id = insight.org_id
cross join lateral unnest(
    case channel.kind
        when 'email' then regexp_split_to_array(channel.target, '\s*,\s*') else array[channel.target]
    end
) as recipient
where insight.id = any(%(ids)s)
    and channel.is_active
    and channel.sends_insights
    and (channel.insight_kinds = '{}' or insight.kind = any(channel.insight_kinds))
    and array_position(%(severities)s::text[], insight.severity)
        <= array_position(%(severities)s::text[], channel.min_severity)
"""

# Whoever was told, or is about to be, is told that it is over: whatever the routing says by now. Params: ids.
RESOLVED: Final[LiteralString] = """
select opened.org_id, opened.channel_id, opened.insight_id, null::date as digest_day, opened.recipient
from app.notification_deliveries as opened
join app.notification_channels as channel on channel.org_id = opened.org_id and channel.id = opened.channel_id
where opened.insight_id = any(%(ids)s)
    and opened.event = 'opened'
    and opened.state <> 'dead'
    and channel.is_active
"""

# Params: org, day.
DIGEST: Final[LiteralString] = r"""
select channel.org_id, channel.id as channel_id, null::uuid as insight_id, %(day)s::date as digest_day, recipient
from app.notification_channels as channel
cross join lateral unnest(
    case channel.kind
        when 'email' then regexp_split_to_array(channel.target, '\s*,\s*') else array[channel.target]
    end
) as recipient
where channel.org_id = %(org)s and channel.is_active and channel.sends_digest
"""
