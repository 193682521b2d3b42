"""The values that the sample, the reference and the JSON Schema show where a default would tell nothing."""

from __future__ import annotations

from typing import Any

_FOLDER = "/etc/sftp-orchestrator"

ENCRYPTION: dict[str, Any] = {
    "public_key": {"file": f"{_FOLDER}/clevertap.pub.asc"},
    "key_id": "ec491319-9823-48cd-b6a1-6bb0bc666d75",
}

DESTINATION: dict[str, Any] = {
    "host": "eu1.sftp.clevertap.com",
    "username": "1000000000",
    "private_key": {"file": f"{_FOLDER}/id_ed25519"},
    "known_hosts": f"{_FOLDER}/known_hosts",
    "client_email": "data-team@example.com",
    "encryption": ENCRYPTION,
}

FEEDS: dict[str, Any] = {
    "customers": {
        "type": "profile",
        "files": ["customers*.csv", "crm/**/*.csv"],
        "destination": "production",
        "columns": {
            "user_id": {"ct_name": "identity"},
            "full_name": {"ct_name": "Name"},
            "phone": {"ct_name": "Phone"},
            "signed_up": {"ct_name": "SignedUp", "type": "DATE", "date_format": "dd/MM/yyyy HH:mm:ss"},
            "age": {"ct_name": "Age", "type": "INTEGER"},
        },
    },
    "purchases": {
        "type": "event",
        "files": ["purchases*.csv"],
        "columns": {
            "event_name": {"ct_name": "evtName"},
            "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
            "user_id": {"ct_name": "identity"},
            "amount": {"ct_name": "Amount", "type": "FLOAT"},
        },
        "on_bad_rows": "reject",
        "max_bad_rows": 0.01,
    },
}
