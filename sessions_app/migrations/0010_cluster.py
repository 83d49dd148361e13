from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sessions_app', '0009_ended_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Node',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('instance', models.CharField(max_length=36)),
                ('boot_id', models.CharField(max_length=36)),
                ('version', models.CharField(max_length=32)),
                ('address', models.CharField(blank=True, default='', max_length=255)),
                ('slots', models.PositiveIntegerField()),
                ('memory', models.BigIntegerField()),
                ('pools', models.JSONField(default=list)),
                ('lease', models.FloatField()),
                ('heartbeat', models.DateTimeField()),
                ('since', models.DateTimeField()),
                ('obstacle', models.CharField(blank=True, default='', max_length=255)),
                ('draining', models.BooleanField(default=False)),
                ('lost_at', models.DateTimeField(blank=True, null=True)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Rounds',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('last', models.DateTimeField()),
                ('since', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='agentsession',
            name='node',
            field=models.CharField(blank=True, db_default='', default='', max_length=40),
        ),
        migrations.AddField(
            model_name='agentsession',
            name='on_lost',
            field=models.CharField(db_default='fail', default='fail', max_length=8),
        ),
        migrations.AddField(
            model_name='agentsession',
            name='pool',
            field=models.CharField(db_default='default', default='default', max_length=40),
        ),
    ]
