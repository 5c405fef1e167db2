-- drop view api.airports
DROP VIEW api.airports;

-- rename column icao of geo.airports to code
ALTER TABLE geo.airports RENAME COLUMN icao TO code;

-- rename constraint airports_icao_key of geo.airports to airports_code_key
ALTER TABLE geo.airports RENAME CONSTRAINT airports_icao_key TO airports_code_key;

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  code,
  name
FROM geo.airports;
GRANT SELECT ON api.airports TO reader;
