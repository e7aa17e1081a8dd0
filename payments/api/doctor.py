"""The doctor over HTTP: which link between a tenant and its payments is missing."""

from __future__ import annotations

from flask import Response

from config.clock import present_moment
from payments.api.binding import answer, bound
from payments.api.describe import refusals, tenant_blueprint
from payments.api.doctor_shapes import Diagnosis, DiagnosisQuery
from payments.api.limits import check_diagnosis_rate
from payments.diagnosis.diagnose import diagnose
from submerchants.access import Permission, current_caller, tenant_api

blueprint = tenant_blueprint(
    "Doctor", meaning="Which link to WeChat Pay is missing, who mends it and where."
)


@blueprint.get("/doctor", responses={200: Diagnosis, **refusals()})
@tenant_api(Permission.DIRECTORIES_READ)
@bound
def examine_me(query: DiagnosisQuery) -> Response:
    """Walk every link to WeChat Pay, and name the first missing one.

    Asks WeChat Pay for real and changes nothing there, so it has a small budget of its own.
    """
    sub_merchant = current_caller().sub_merchant
    check_diagnosis_rate(sub_merchant.id)
    found = diagnose(sub_merchant=sub_merchant, page_url=query.page_url)
    examined_at = present_moment(found.examined_at)
    return answer({"object": "diagnosis", **found.as_dict(), "examined_at": examined_at})
