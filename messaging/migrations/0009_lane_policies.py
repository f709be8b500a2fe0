"""Policies, TLS, pace and rehearsal of destinations; pauses by a person, and what a filter kept back."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns only; each has a value for the rows there are."""

    dependencies = [
        ("messaging", "0008_feed_questions"),
    ]

    operations = [
        migrations.AddField(
            model_name="destination",
            name="ack_mode",
            field=models.CharField(
                choices=[
                    ("original", "one answer: AA, AE or AR"),
                    ("enhanced", "CA when it is stored, then AA, AE or AR"),
                ],
                default="original",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="application_timeout",
            field=models.FloatField(default=30.0),
        ),
        migrations.AddField(
            model_name="destination",
            name="at_limit",
            field=models.CharField(
                choices=[("set_aside", "give it up and go on"), ("hold", "hold that patient for a person")],
                default="set_aside",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="holds",
            field=models.CharField(
                choices=[("patient", "that patient's later messages"), ("lane", "the whole lane")],
                default="patient",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="min_interval",
            field=models.FloatField(default=0.0),
        ),
        migrations.AddField(
            model_name="destination",
            name="no_answer_limit",
            field=models.IntegerField(default=20),
        ),
        migrations.AddField(
            model_name="destination",
            name="on_ae",
            field=models.CharField(
                choices=[
                    ("hold", "hold that patient for a person"),
                    ("retry", "send the same bytes again, to a limit"),
                    ("set_aside", "give the message up and go on"),
                ],
                default="hold",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="on_ar",
            field=models.CharField(
                choices=[
                    ("hold", "hold that patient for a person"),
                    ("retry", "send the same bytes again, to a limit"),
                    ("set_aside", "give the message up and go on"),
                ],
                default="retry",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="on_no_application_answer",
            field=models.CharField(
                choices=[
                    ("retry", "send the same bytes again"),
                    ("accept", "the commit is enough"),
                    ("hold", "hold that patient for a person"),
                ],
                default="retry",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="on_unknown_answer",
            field=models.CharField(
                choices=[
                    ("retry", "send the same bytes again, as after silence"),
                    ("hold", "hold that patient for a person"),
                ],
                default="retry",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="destination",
            name="shadow",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="destination",
            name="tls",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="lane",
            name="filtered",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="lane",
            name="next_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="lane",
            name="paused_by",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="lane",
            name="paused_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
        migrations.AddField(
            model_name="lane",
            name="paused_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="lane",
            name="suspect",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="outbound",
            name="silences",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="outbound",
            name="leg",
            field=models.CharField(
                choices=[
                    ("unreleased", "waits for the comparison with the PAS"),
                    ("queued", "waiting to be sent"),
                    ("sending", "sent, or may have been; no answer yet"),
                    ("accepted", "accepted"),
                    ("held", "refused; this patient waits for a person"),
                    ("set_aside", "given up, by policy or by a person"),
                    ("left_to_pas", "never sent by us; the PAS tells it"),
                    ("skipped", "nothing to send"),
                    ("shadowed", "rehearsed: written and never sent"),
                ],
                default="queued",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="destination",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_pas", False), ("shadow", False), _connector="OR"), name="pas_is_no_shadow"
            ),
        ),
        migrations.AddConstraint(
            model_name="lane",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("paused_since", None), models.Q(("paused_reason", ""), _negated=True), _connector="OR"
                ),
                name="lane_paused_with_reason",
            ),
        ),
    ]
