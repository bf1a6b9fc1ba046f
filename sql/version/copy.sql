-- Writes new versions; the versions before them have been given their ends already.
copy warehouse.dim_{entity} ({entity}_id, valid_from, valid_to, event_id, {attributes})
from stdin with (format binary)
