"""What every implementation, study and report shares: settings, data sets, files, scores, records, the command line."""
