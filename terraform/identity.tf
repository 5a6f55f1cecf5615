# Who the Raspberry Pi is in Azure: an application that proves itself by a certificate.

locals {
  # Ten years: an expired credential ends backups. What stops a thief is a new one, at any time.
  certificate_hours = 24 * 365 * 10
  renewal_hours     = 24 * 365

  blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
}

data "azuread_client_config" "current" {}

resource "azuread_application" "collector" {
  display_name = "Energy Monitor backup ${var.storage_account_name}"
  owners       = [data.azuread_client_config.current.object_id] # else nobody is one
}

resource "azuread_service_principal" "collector" {
  client_id = azuread_application.collector.client_id
  owners    = [data.azuread_client_config.current.object_id]
}

resource "tls_private_key" "collector" {
  algorithm = "RSA" # the only kind that Entra ID takes
  rsa_bits  = 3072
}

resource "tls_self_signed_cert" "collector" {
  private_key_pem       = tls_private_key.collector.private_key_pem
  validity_period_hours = local.certificate_hours
  early_renewal_hours   = local.renewal_hours
  allowed_uses          = ["digital_signature"]

  subject {
    common_name = "energy-monitor"
  }
}

data "tls_certificate" "collector" {
  content = tls_self_signed_cert.collector.cert_pem
}

resource "azuread_application_certificate" "collector" {
  application_id = azuread_application.collector.id
  type           = "AsymmetricX509Cert"
  value          = tls_self_signed_cert.collector.cert_pem

  # As Entra ID tells it, in UTC; validity_end_time is local, so each apply would see a change.
  end_date = data.tls_certificate.collector.certificates[0].not_after
}

# Without blobs/write and blobs/delete nothing can be overwritten or deleted.
resource "azurerm_role_definition" "add_and_read" {
  name              = "Energy Monitor backup ${var.storage_account_name}"
  description       = "Add blobs and read them; overwrite and delete none."
  scope             = azurerm_resource_group.backup.id
  assignable_scopes = [azurerm_resource_group.backup.id]

  permissions {
    data_actions = ["${local.blobs}/add/action", "${local.blobs}/read"]
  }
}

resource "azurerm_role_assignment" "collector" {
  scope              = azurerm_storage_container.backups.id
  role_definition_id = azurerm_role_definition.add_and_read.role_definition_resource_id
  principal_id       = azuread_service_principal.collector.object_id
  principal_type     = "ServicePrincipal"
}
