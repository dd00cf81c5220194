"""What watches over the renewals: systemd's units, the alarms and the dashboard, against what the command does."""
