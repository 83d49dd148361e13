from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sessions_app', '0010_cluster'),
    ]

    operations = [
        migrations.AddField(
            model_name='node',
            name='free_memory',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='node',
            name='load',
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='node',
            name='processors',
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
    ]
