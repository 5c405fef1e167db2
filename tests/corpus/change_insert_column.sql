-- drop view api.airports
DROP VIEW api.airports;

-- add column opened (date) to geo.airports
ALTER TABLE geo.airports ADD COLUMN opened date;

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  icao,
  opened,
  name
FROM geo.airports;
GRANT SELECT ON api.airports TO reader;
