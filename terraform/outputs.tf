output "collector_settings" {
  description = "What 'energy-monitor backup connect -' reads: where the backups go, and the credential."
  sensitive   = true

  value = jsonencode({
    format          = 1
    store           = "azure"
    account_url     = trimsuffix(azurerm_storage_account.backup.primary_blob_endpoint, "/")
    container       = azurerm_storage_container.backups.name
    tenant_id       = data.azuread_client_config.current.tenant_id
    client_id       = azuread_application.collector.client_id
    certificate_pem = "${tls_private_key.collector.private_key_pem_pkcs8}${tls_self_signed_cert.collector.cert_pem}"
  })

  # Only what is ready to be used is handed out.
  depends_on = [azuread_application_certificate.collector, azurerm_role_assignment.collector]
}

output "certificate_ends" {
  description = "When the credential expires; terraform apply renews it in the year before."
  value       = data.tls_certificate.collector.certificates[0].not_after
}
