-- revoke SELECT on view api.airports from reader
REVOKE SELECT ON api.airports FROM reader;

-- grant INSERT on view api.airports to reader
GRANT INSERT ON api.airports TO reader;

-- grant UPDATE on view api.airports to writer
GRANT UPDATE ON api.airports TO writer;
