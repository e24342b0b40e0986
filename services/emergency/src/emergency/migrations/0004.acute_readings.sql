-- The 119 room that asks is told of the open incidents of acute readings at the place.
create index incident_of_health on incident (occurred_at desc)
    where source = 'health' and status in ('OCCURRED', 'CHANGED');
