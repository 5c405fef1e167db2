-- add column opened (date) to geo.airports
ALTER TABLE geo.airports ADD COLUMN opened date DEFAULT (current_date);

-- add opened to view api.airports
CREATE OR REPLACE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  icao,
  name,
  opened
FROM geo.airports;

-- restate the default of opened on view api.airports
ALTER VIEW api.airports ALTER COLUMN opened SET DEFAULT (current_date);

-- comment on column opened of geo.airports
COMMENT ON COLUMN geo.airports.opened IS 'First flight';

-- comment on column opened of view api.airports
COMMENT ON COLUMN api.airports.opened IS 'First flight';
