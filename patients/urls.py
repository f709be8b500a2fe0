"""Addresses of the desk; they hold internal ids only, never a name or a number of a patient."""

from django.urls import path

from patients.views import appointments, find, places, record, register, stays

urlpatterns = [
    path("patients/", find.find, name="find"),
    path("patients/register", register.register, name="register"),
    path("patients/register/matches", register.matches, name="register-matches"),
    path("patients/register/echo", register.echo, name="register-echo"),
    path("patients/<int:patient_id>/", record.record, name="record"),
    path("patients/<int:patient_id>/fates", record.fates, name="fates"),
    path("patients/<int:patient_id>/edit", record.edit, name="edit"),
    path("patients/<int:patient_id>/admit", stays.admit, name="admit"),
    path("patients/<int:patient_id>/stays/<int:stay_id>/transfer", stays.transfer, name="transfer"),
    path("patients/<int:patient_id>/stays/<int:stay_id>/discharge", stays.discharge, name="discharge"),
    path("patients/<int:patient_id>/book", appointments.book, name="book"),
    path(
        "patients/<int:patient_id>/appointments/<int:appointment_id>/cancel",
        appointments.cancel,
        name="cancel-appointment",
    ),
    path("wards/", places.wards, name="wards"),
    path("wards/<int:ward_id>", places.ward, name="ward"),
    path("clinics/", places.clinics, name="clinics"),
    path("clinics/<int:clinic_id>", places.clinic, name="clinic"),
]
