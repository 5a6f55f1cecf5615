# Where the backups of one house are kept, for how long, and what that may cost.

locals {
  protected_days = 30 # nothing goes for good sooner, whoever deletes it

  # A backup names objects of its own epoch (a calendar month), so none is more than 31 days older.
  # Deleting by the age of each object thus breaks no backup younger than keep_months.
  delete_after_days = 31 * (var.keep_months + 1)
}

resource "azurerm_resource_group" "backup" {
  name     = var.resource_group_name
  location = var.location
}

resource "azurerm_storage_account" "backup" {
  name                = var.storage_account_name
  resource_group_name = azurerm_resource_group.backup.name
  location            = azurerm_resource_group.backup.location

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = "LRS"
  access_tier              = "Hot" # Cool is dearer to write, and backups are written more than read

  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  local_user_enabled              = false

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = local.protected_days
    }

    container_delete_retention_policy {
      days = local.protected_days
    }
  }
}

resource "azurerm_storage_container" "backups" {
  name                  = "backups"
  storage_account_id    = azurerm_storage_account.backup.id
  container_access_type = "private"

  lifecycle {
    prevent_destroy = true # another name, region or group would begin with deleting every backup
  }
}

resource "azurerm_storage_container_immutability_policy" "backups" {
  storage_container_resource_manager_id = azurerm_storage_container.backups.id
  immutability_period_in_days           = local.protected_days
  locked                                = false # a locked one could never be shortened or removed
}

resource "azurerm_storage_management_policy" "epochs" {
  storage_account_id = azurerm_storage_account.backup.id

  rule {
    name    = "delete-old-epochs"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${azurerm_storage_container.backups.name}/"]
    }

    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = local.delete_after_days
      }

      # With versioning on, what the line above deletes stays as a version until this.
      version {
        delete_after_days_since_creation = local.protected_days
      }

      snapshot {
        delete_after_days_since_creation_greater_than = local.protected_days
      }
    }
  }
}

resource "azurerm_consumption_budget_resource_group" "backup" {
  name              = "energy-monitor-backup"
  resource_group_id = azurerm_resource_group.backup.id
  amount            = var.monthly_budget
  time_grain        = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp())
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 100
    contact_emails = [var.alert_email]
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = [var.alert_email]
  }

  lifecycle {
    ignore_changes = [time_period] # it began in the month of the first apply
  }
}
