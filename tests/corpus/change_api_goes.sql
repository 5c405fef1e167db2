-- drop view api.airports
DROP VIEW api.airports;
