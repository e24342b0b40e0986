-- The checker's role in a department's database, for its owner to make: psql -v password=... -f -
-- Columns of ids, revisions, counts and times; of nobody a name, a plate, a contact or a value.
\set ON_ERROR_STOP on
create role loadtests login password :'password' connection limit 4;
alter role loadtests set default_transaction_read_only = on;
grant connect on database :"DBNAME" to loadtests;
select format('grant select (%s) on %I to loadtests', columns, name)
from (
    values
        -- every department
        ('idempotency', 'key'),
        ('outbox', 'topic'),
        ('outbox_rejected', 'topic, rejected_at'),
        ('parked_event', 'topic'),
        -- cameras
        ('alarm', 'alarm_id, detection_ids, revision, raised_at, changed_at'),
        -- emergency
        ('incident', 'incident_id, source, source_reference, revision'),
        ('incident', 'occurred_at, changed_at, recorded_at'),
        ('incident_alarm', 'alarm_id'),
        ('room_message', 'room, incident_id, answer, revision, state'),
        ('room_message', 'acknowledged_at, created_at'),
        -- health
        ('acute_case', 'case_id, session_id, detected_at'),
        ('kiosk_session', 'session_id'),
        ('measurement', 'measurement_id, session_id, sequence, stored_at'),
        -- parking
        ('bay_state', 'bay_id, revision, changed_at'),
        ('booking', 'booking_id, revision, held_at, changed_at'),
        ('ledger_posting', 'posting_id, booking_id, kind, posted_at'),
        ('lot_state', 'lot_id, revision, changed_at'),
        ('occupancy_reading', 'bay_id, observed_at'),
        -- sensors
        ('accepted_reading', 'station_id, measured_at'),
        ('alert', 'alert_id'),
        ('hour_window', 'station_id, hour_end, readings, last_received_at')
) as needed (name, columns)
where to_regclass(name) is not null
\gexec
