import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """Statements and the users in them."""

    dependencies = [
        ('souvenirs', '0012_deliveries'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='StatementLock',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('times', models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Statement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('customer', models.CharField(editable=False, max_length=64)),
                ('name', models.CharField(blank=True, editable=False, max_length=200, verbose_name='customer')),
                ('number', models.PositiveIntegerField(editable=False, verbose_name='number')),
                ('start', models.DateTimeField(editable=False, verbose_name='start')),
                ('end', models.DateTimeField(editable=False, verbose_name='end')),
                ('issued', models.DateTimeField(editable=False, verbose_name='issued')),
                ('body', models.TextField(editable=False)),
                ('hash', models.CharField(editable=False, max_length=64)),
                ('last_souvenir', models.BigIntegerField(editable=False)),
            ],
            options={
                'verbose_name': 'statement',
                'verbose_name_plural': 'statements',
                'ordering': ['-issued', '-pk'],
                'constraints': [models.UniqueConstraint(fields=('customer', 'start', 'end'), name='souvenirs_statement_of_period'), models.UniqueConstraint(fields=('customer', 'number'), name='souvenirs_statement_number')],
            },
        ),
        migrations.CreateModel(
            name='StatementLeaf',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hash', models.BinaryField()),
                ('salt', models.BinaryField(null=True)),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='leaves', to='souvenirs.statement')),
                ('user', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'statement leaves',
            },
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]
