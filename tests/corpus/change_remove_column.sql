-- drop view api.airports
DROP VIEW api.airports;

-- let column name of geo.airports accept NULL
ALTER TABLE geo.airports ALTER COLUMN name DROP NOT NULL;

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  icao
FROM geo.airports;
GRANT SELECT ON api.airports TO reader;

-- waits for approval:
-- drop column name of geo.airports
ALTER TABLE geo.airports DROP COLUMN name;
