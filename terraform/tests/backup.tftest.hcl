# Run by 'terraform test': nothing is made in Azure, the providers only say what they would accept.

mock_provider "azurerm" {
  override_during = plan

  mock_resource "azurerm_resource_group" {
    defaults = {
      id = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/home-energy"
    }
  }

  mock_resource "azurerm_storage_account" {
    defaults = {
      id                    = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/home-energy/providers/Microsoft.Storage/storageAccounts/smithhomeenergy"
      primary_blob_endpoint = "https://smithhomeenergy.blob.core.windows.net/"
    }
  }

  mock_resource "azurerm_storage_container" {
    defaults = {
      id = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/home-energy/providers/Microsoft.Storage/storageAccounts/smithhomeenergy/blobServices/default/containers/backups"
    }
  }

  mock_resource "azurerm_role_definition" {
    defaults = {
      role_definition_resource_id = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/providers/Microsoft.Authorization/roleDefinitions/22222222-2222-2222-2222-222222222222"
    }
  }
}

mock_provider "azuread" {
  override_during = plan

  mock_data "azuread_client_config" {
    defaults = {
      tenant_id = "11111111-1111-1111-1111-111111111111"
      object_id = "66666666-6666-6666-6666-666666666666"
    }
  }

  mock_resource "azuread_application" {
    defaults = {
      id        = "/applications/33333333-3333-3333-3333-333333333333"
      client_id = "44444444-4444-4444-4444-444444444444"
    }
  }

  mock_resource "azuread_service_principal" {
    defaults = {
      object_id = "55555555-5555-5555-5555-555555555555"
    }
  }
}

mock_provider "tls" {
  override_during = plan

  mock_resource "tls_private_key" {
    defaults = {
      private_key_pem_pkcs8 = "KEY\n"
    }
  }

  mock_resource "tls_self_signed_cert" {
    defaults = {
      cert_pem = "CERTIFICATE\n"
    }
  }

  mock_data "tls_certificate" {
    defaults = {
      certificates = [{ not_after = "2036-11-20T00:00:00Z" }]
    }
  }
}

variables {
  subscription_id      = "01234567-89ab-cdef-0123-456789abcdef"
  resource_group_name  = "home-energy"
  location             = "westeurope"
  storage_account_name = "smithhomeenergy"
  alert_email          = "me@example.org"
}

run "what_backup_connect_reads" {
  command = plan

  assert {
    condition = jsondecode(output.collector_settings) == {
      format          = 1
      store           = "azure"
      account_url     = "https://smithhomeenergy.blob.core.windows.net"
      container       = "backups"
      tenant_id       = "11111111-1111-1111-1111-111111111111"
      client_id       = "44444444-4444-4444-4444-444444444444"
      certificate_pem = "KEY\nCERTIFICATE\n"
    }
    error_message = "collector_settings is not what 'energy-monitor backup connect' reads."
  }
}

run "a_thief_can_add_and_read_only" {
  command = plan

  assert {
    condition = toset(azurerm_role_definition.add_and_read.permissions[0].data_actions) == toset([
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
    ])
    error_message = "The role may do more than add and read."
  }

  assert {
    condition     = length(coalesce(azurerm_role_definition.add_and_read.permissions[0].actions, [])) == 0
    error_message = "The role may change resources."
  }

  assert {
    condition     = endswith(azurerm_role_assignment.collector.scope, "/containers/backups")
    error_message = "The role reaches further than the container."
  }

  assert {
    condition     = !azurerm_storage_account.backup.shared_access_key_enabled
    error_message = "Account keys may do everything; they must stay off."
  }
}

run "nothing_is_public_and_nothing_goes_for_good_within_30_days" {
  command = plan

  assert {
    condition = (
      !azurerm_storage_account.backup.allow_nested_items_to_be_public
      && azurerm_storage_account.backup.min_tls_version == "TLS1_2"
      && azurerm_storage_container.backups.container_access_type == "private"
    )
    error_message = "The backups are reachable without a credential, or over old TLS."
  }

  assert {
    condition = (
      azurerm_storage_account.backup.blob_properties[0].versioning_enabled
      && azurerm_storage_account.backup.blob_properties[0].delete_retention_policy[0].days == 30
      && azurerm_storage_account.backup.blob_properties[0].container_delete_retention_policy[0].days == 30
      && azurerm_storage_container_immutability_policy.backups.immutability_period_in_days == 30
    )
    error_message = "What is deleted cannot be brought back for 30 days."
  }

  assert {
    condition     = !azurerm_storage_container_immutability_policy.backups.locked
    error_message = "A locked policy can never be removed."
  }
}

run "a_backup_stays_whole_for_the_months_that_were_asked_for" {
  command = plan

  variables {
    keep_months = 6
  }

  # Its oldest object may be a month older than itself.
  assert {
    condition     = azurerm_storage_management_policy.epochs.rule[0].actions[0].base_blob[0].delete_after_days_since_creation_greater_than == 7 * 31
    error_message = "Objects go before the last backup that names them is 6 months old."
  }

  assert {
    condition     = azurerm_storage_management_policy.epochs.rule[0].filters[0].prefix_match == toset(["backups/"])
    error_message = "The rule must name the container, without a slash in front."
  }
}

run "the_budget_begins_on_the_first_of_a_month" {
  command = plan

  assert {
    condition     = can(regex("^\\d{4}-\\d\\d-01T00:00:00Z$", azurerm_consumption_budget_resource_group.backup.time_period[0].start_date))
    error_message = "Azure takes no other day than the first."
  }
}

run "wrong_values_are_refused_together" {
  command = plan

  variables {
    subscription_id      = "my subscription"
    resource_group_name  = "home-energy."
    location             = "West Europe"
    storage_account_name = "Smith-Home"
    alert_email          = "me"
    monthly_budget       = 0
    keep_months          = 1
  }

  expect_failures = [
    var.subscription_id,
    var.resource_group_name,
    var.location,
    var.storage_account_name,
    var.alert_email,
    var.monthly_budget,
    var.keep_months,
  ]
}
